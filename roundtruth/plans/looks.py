SETTINGS = {True: None, False: None}
